import { ageOf, dateOf } from "../lib/time";

/** How long ago something was; when exactly, for those who point at it. */
export function TimeAgo({ time }: { time: string }) {
  return (
    <time dateTime={time} title={dateOf(time)}>
      {ageOf(time)}
    </time>
  );
}
