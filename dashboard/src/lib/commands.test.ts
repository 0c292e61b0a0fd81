import { describe, expect, it } from "vitest";
import { commandFor, pythonValue, shellWord } from "./commands";
import { exactNumber, parseExact } from "./exact";

const job = {
  type: "send_email",
  payload: parseExact('{"to": "o\'neill@example.com", "n": 9007199254740993, "ok": true, "none": null}'),
  priority: 9,
  schedule_in: 60,
  tags: ["eu"],
};

describe("one job as a command", () => {
  it("for curl", () => {
    const text = commandFor("curl", job, true);
    expect(text).toContain('"Authorization: Bearer $NEXQ_TOKEN"');
    expect(text).toContain(`o'\\''neill@example.com`);
    expect(text).toContain('"n":9007199254740993');
    expect(commandFor("curl", job, false)).not.toContain("Authorization");
  });

  it("for Python", () => {
    const text = commandFor("python", { ...job, run_at: "2031-01-02T03:04:05.000Z" }, false);
    expect(text).toContain(`{"to": "o'neill@example.com", "n": 9007199254740993, "ok": True, "none": None}`);
    expect(text).toContain("priority=9, delay=60");
    expect(text).toContain('run_at=datetime.fromisoformat("2031-01-02T03:04:05.000Z")');
    expect(text).toContain("from datetime import datetime");
  });

  it("for the command line, also where a payload looks like an option", () => {
    expect(commandFor("cli", job, false)).toMatch(
      /^nexq enqueue send_email '.*' --priority 9 --delay 60 --tag eu$/,
    );
    expect(commandFor("cli", { type: "add", payload: exactNumber("-5"), priority: 1 }, false)).toBe(
      "nexq enqueue --priority 1 -- add -5",
    );
  });

  it("quotes what a shell would read", () => {
    expect(shellWord("plain-word_1.x:y/z")).toBe("plain-word_1.x:y/z");
    expect(shellWord("$(rm -rf ~)`x` \"y\" 'z'")).toBe(`'$(rm -rf ~)\`x\` "y" '\\''z'\\'''`);
    expect(shellWord("")).toBe("''");
  });

  it("writes Python's own literals", () => {
    expect(pythonValue(["a\nb", false, { x: 1.5 }])).toBe('["a\\nb", False, {"x": 1.5}]');
    expect(pythonValue("\u202e")).toBe('"\\u202e"');
  });
});
