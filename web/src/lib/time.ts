const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 24 * 3600],
  ["month", 30 * 24 * 3600],
  ["day", 24 * 3600],
  ["hour", 3600],
  ["minute", 60],
];

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "long", timeStyle: "short" });

const day = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });
const date = new Intl.DateTimeFormat("en", { dateStyle: "long" });

/** The current day. */
export function today(): string {
  return day.format(new Date());
}

/** The day of an RFC 3339 time, in the reader's time zone. */
export function dayOf(time: string): string {
  return date.format(new Date(time));
}

/** An RFC 3339 time relative to `now`, in words. */
export function ageOf(time: string, now: Date = new Date()): string {
  const seconds = Math.max(0, (now.getTime() - Date.parse(time)) / 1000);
  for (const [unit, length] of units) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  }
  return "just now";
}

/** An RFC 3339 time in full, in the reader's time zone. */
export function dateOf(time: string): string {
  return absolute.format(new Date(time));
}
