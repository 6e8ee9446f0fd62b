/** A number of things, in words. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** Where a link leads, for people: its host. */
export function sourceOf(url: string): string {
  return new URL(url).hostname.replace(/^www\./, "");
}
