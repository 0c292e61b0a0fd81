import type { ButtonHTMLAttributes, Ref } from "react";
import { Link } from "react-router";
import { Icon, type IconName } from "./Icon";

type Look = "plain" | "main" | "danger" | "quiet";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  icon?: IconName;
  size?: "small" | undefined;
  ref?: Ref<HTMLButtonElement>;
}

/** A button; with an icon and no text it needs an aria-label. */
export function Button({ look = "plain", icon, size, children, ...rest }: Props) {
  const alone = icon && !children;
  return (
    <button
      type="button"
      className="button"
      data-look={look}
      data-size={size}
      data-icon={alone ? "" : undefined}
      title={alone ? rest["aria-label"] : undefined}
      {...rest}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function ButtonLink({
  to,
  look = "plain",
  icon,
  children,
}: {
  to: string;
  look?: Look;
  icon?: IconName;
  children: string;
}) {
  return (
    <Link to={to} className="button" data-look={look}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}
