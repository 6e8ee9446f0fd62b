import { ageOf, dateOf } from "../../lib/time";

/** A relative time, with the exact one as a tooltip. */
export function TimeAgo({ time }: { time: string }) {
  return (
    <time dateTime={time} title={dateOf(time)}>
      {ageOf(time)}
    </time>
  );
}
