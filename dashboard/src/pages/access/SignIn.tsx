import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { getMe, login } from "../../api/access";
import { Problem } from "../../api/client";
import { keys } from "../../api/keys";
import icon from "../../icon.svg";
import { Button } from "../../ui/Button";
import { Command } from "../../ui/bits";

/** Only to pages of this dashboard. */
function backTo(from: string | null): string {
  return from && /^\/(?![/\\])/.test(from) ? from : "/";
}

export function SignIn() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const [token, setToken] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const to = backTo(params.get("from"));

  useEffect(() => {
    document.title = "Sign in · nexq";
    // Perhaps no token is asked for, or one is signed in already.
    getMe().then(
      (me) => {
        client.setQueryData(keys.me, me);
        navigate(to, { replace: true });
      },
      () => {},
    );
  }, [client, navigate, to]);

  const enter = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setWrong("");
    try {
      const me = await login(token.trim());
      client.clear();
      client.setQueryData(keys.me, me);
      navigate(to, { replace: true });
    } catch (error) {
      setWrong(error instanceof Problem ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <main className="sign-in">
      <form className="card sign-in-card" onSubmit={(event) => void enter(event)}>
        <img src={icon} alt="" />
        <h1>Sign in to nexq</h1>
        <label className="field">
          <span className="label">Token</span>
          <input
            className="input"
            type="password"
            autoComplete="current-password"
            // biome-ignore lint/a11y/noAutofocus: it is all that one does here
            autoFocus
            required
            aria-invalid={wrong !== ""}
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
        </label>
        {wrong && (
          <p className="wrong" role="alert">
            {wrong}
          </p>
        )}
        <Button type="submit" look="main" disabled={busy || token.trim() === ""}>
          {busy ? "Signing in…" : "Sign in"}
        </Button>
        <p className="muted small">No token? Whoever runs the server makes one:</p>
        <Command text="nexq token create ada --scope write" />
      </form>
    </main>
  );
}
