// A line as small as a word.

interface Props {
  values: (number | null)[];
  label: string;
  width?: number;
  height?: number;
}

export function Spark({ values, label, width = 96, height = 24 }: Props) {
  const known = values.map((value) => value ?? 0);
  const most = Math.max(...known, 0) || 1;
  const step = width / Math.max(1, known.length - 1);
  const points = known.map(
    (value, i) => `${(i * step).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`,
  );
  return (
    <svg
      className="spark"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <polygon className="spark-fill" points={`0,${height} ${points.join(" ")} ${width},${height}`} />
      <polyline className="spark-line" points={points.join(" ")} />
    </svg>
  );
}
