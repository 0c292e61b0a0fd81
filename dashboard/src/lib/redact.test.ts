import { describe, expect, it } from "vitest";
import { HIDDEN, hasSecrets, isSecretName, redact, restore } from "./redact";

describe("secrets", () => {
  it.each([
    "password",
    "passwd",
    "PASSWORD",
    "db_password",
    "userPassword",
    "token",
    "access_token",
    "accessToken",
    "api_key",
    "apiKey",
    "API-KEY",
    "secret",
    "client_secret",
    "Authorization",
    "cookie",
    "private_key",
    "credentials",
    "session_id",
    "card_number",
    "cvv",
  ])("%s is one", (name) => expect(isSecretName(name)).toBe(true));

  it.each(["name", "keyboard", "author", "compass", "pinned", "secretary", "monkey", "passenger"])(
    "%s is none",
    (name) => expect(isSecretName(name)).toBe(false),
  );

  it("hides them however deep, and leaves the original alone", () => {
    const value = { a: [{ password: "x" }], token: { deep: 1 }, empty_password: "", name: "Ada" };
    expect(redact(value)).toEqual({
      a: [{ password: HIDDEN }],
      token: HIDDEN,
      empty_password: "",
      name: "Ada",
    });
    expect(value.a[0]?.password).toBe("x");
    expect([hasSecrets(value), hasSecrets({ a: [1] })]).toEqual([true, false]);
  });

  it("puts back what was not touched, and keeps what was", () => {
    const original = { password: "old", list: [{ token: "t" }], n: 1 };
    expect(restore({ password: HIDDEN, list: [{ token: HIDDEN }], n: 2 }, original)).toEqual({
      ...original,
      n: 2,
    });
    expect(restore({ password: "new", list: [{ token: HIDDEN }] }, original)).toEqual({
      password: "new",
      list: [{ token: "t" }],
    });
    expect(restore({ name: HIDDEN }, original)).toEqual({ name: HIDDEN });
  });
});
