// One job as the command that submits it, in three languages.

import { useState } from "react";
import type { NewJob } from "../api/jobs";
import { commandFor, LANGUAGES, type Language } from "../lib/commands";
import { redact } from "../lib/redact";
import { useSession } from "../lib/session";
import { Copy } from "./bits";
import { Segments } from "./Segments";

export function CopyAs({ job, title }: { job: NewJob; title: string }) {
  const [language, setLanguage] = useState<Language>("curl");
  const { me } = useSession();
  const text = commandFor(language, { ...job, payload: redact(job.payload) }, me.auth);
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <h2>{title}</h2>
        <span className="push">
          <Segments label="Language" value={language} choices={LANGUAGES} onPick={setLanguage} />
        </span>
      </div>
      <div className="card-body code-box">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys */}
        <pre className="code" tabIndex={0}>
          {text}
        </pre>
        <Copy text={text} label="Copy the command" size="small" />
      </div>
    </section>
  );
}
