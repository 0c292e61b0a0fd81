// Numbers as people read them.

const WHOLE = new Intl.NumberFormat("en-US");

/** A count: 12,345. */
export function count(n: number): string {
  return WHOLE.format(n);
}

/** A count in little room: 999, 12.3k, 4.5M. */
export function short(n: number): string {
  const steps: [number, string][] = [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ];
  for (const [size, unit] of steps) {
    if (Math.abs(n) >= size * 0.9995) {
      const value = n / size;
      return `${value.toFixed(Math.abs(value) < 99.95 ? 1 : 0).replace(/\.0$/, "")}${unit}`;
    }
  }
  return Number.isInteger(n) ? String(n) : n.toFixed(1);
}

/** A rate per second: 0, 0.03, 2.5, 1.2k. */
export function rate(perS: number | null | undefined): string {
  if (perS === null || perS === undefined || !Number.isFinite(perS)) return "–";
  if (perS === 0) return "0";
  if (perS < 0.1) return perS < 0.005 ? "<0.01" : perS.toFixed(2);
  return perS < 9.95 ? perS.toFixed(1) : short(Math.round(perS));
}

/** A share from 0 to 1: 0 %, 0.4 %, 12 %. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return "–";
  const p = share * 100;
  if (p === 0) return "0 %";
  if (p < 0.1) return "<0.1 %";
  return p < 9.95 ? `${p.toFixed(1).replace(/\.0$/, "")} %` : `${Math.round(p)} %`;
}

/** A size in bytes: 512 B, 4.2 kB, 310 MB. */
export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = n;
  let at = 0;
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
