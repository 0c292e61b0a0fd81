// The menu in the corner: theme, pages that are not in the bar of a narrow screen, signing out.

import { Menu, MenuButton, MenuItem, MenuItems } from "@headlessui/react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { logout } from "../api/access";
import { useSession } from "../lib/session";
import { setTheme, type Theme, useTheme } from "../lib/theme";
import { Icon, type IconName } from "../ui/Icon";
import { useSay } from "../ui/toast";

const THEMES: [Theme, string, IconName][] = [
  ["system", "As the system", "screen"],
  ["light", "Light", "sun"],
  ["dark", "Dark", "moon"],
];

export function Account() {
  const { me, may } = useSession();
  const theme = useTheme();
  const navigate = useNavigate();
  const client = useQueryClient();
  const say = useSay();
  const leave = async () => {
    try {
      await logout();
      client.clear();
      navigate("/sign-in");
    } catch (error) {
      say.failed(error);
    }
  };
  return (
    <Menu>
      <MenuButton className="button" data-look="quiet" data-icon="" aria-label="Account and theme">
        <Icon name="person" />
      </MenuButton>
      <MenuItems anchor={{ to: "bottom end", gap: 6 }} className="menu" modal={false}>
        {me.auth && (
          <div className="menu-note">
            <span className="data">{me.name}</span> · {me.scope}
            {me.queues.length > 0 && <div className="data">{me.queues.join(", ")}</div>}
          </div>
        )}
        {THEMES.map(([value, name, icon]) => (
          <MenuItem key={value}>
            <button type="button" onClick={() => setTheme(value)} aria-pressed={theme === value}>
              <Icon name={icon} />
              {name}
              {theme === value && (
                <span className="push">
                  <Icon name="check" />
                </span>
              )}
            </button>
          </MenuItem>
        ))}
        {may("write") && (
          <MenuItem>
            <button type="button" onClick={() => navigate("/new")}>
              <Icon name="plus" />
              New job
            </button>
          </MenuItem>
        )}
        {may("admin") && (
          <MenuItem>
            <button type="button" onClick={() => navigate("/audit")}>
              <Icon name="list" />
              Audit
            </button>
          </MenuItem>
        )}
        {me.auth && (
          <MenuItem>
            <button type="button" onClick={() => void leave()}>
              <Icon name="key" />
              Sign out
            </button>
          </MenuItem>
        )}
      </MenuItems>
    </Menu>
  );
}
