// Where this server is reached: the <base> of the page, which the server sets to its prefix.

/** The prefix without its last slash, "" for none. */
export const basePath: string = new URL(document.baseURI).pathname.replace(/\/$/, "");

/** The whole address of a path below the prefix, as a person would type it. */
export function absolute(path: string): string {
  return new URL(path.replace(/^\//, ""), document.baseURI).href;
}
