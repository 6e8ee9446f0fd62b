import { useSessions } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import type { Session } from "../../api/client";
import { isProblem, messageOf } from "../../api/problem";
import { ErrorNotice } from "../shared/ErrorNotice";
import { TimeAgo } from "../shared/TimeAgo";
import { DeviceIcon } from "./DeviceIcon";
import { deviceOf } from "./deviceOf";

/** Where the user is logged in, with buttons to end one session or all others. */
export function DeviceList() {
  const { sessions, error, refresh, end: endOne, endOthers } = useSessions();
  const end = useMutation({
    mutationFn: (id: string | null) => (id === null ? endOthers() : endOne(id)),
  });
  if (!sessions) {
    if (error) return <ErrorNotice error={error} retry={() => void refresh()} />;
    return <div aria-busy="true" className="loading-part" />;
  }
  const [current, others] = [
    sessions.filter((session) => session.current),
    sessions.filter((session) => !session.current),
  ];
  // A user who does not give the password knows that nothing was ended.
  const isFailed = end.isError && !isProblem(end.error, "reauthentication_required");
  return (
    <>
      <ul role="list" className="rows">
        {[...current, ...others].map((session) => (
          <li key={session.id} className="row">
            <DeviceIcon device={session} />
            <DeviceText session={session} />
            {!session.current && (
              <button
                type="button"
                className="action"
                disabled={end.isPending}
                onClick={() => { end.mutate(session.id); }}
              >
                Log out<span className="sr-only"> {deviceOf(session)}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {isFailed && (
        <p role="alert" className="field-error">
          {messageOf(end.error)}
        </p>
      )}
      {others.length > 0 && (
        <p className="panel-end">
          <button
            type="button"
            className="button button-second"
            disabled={end.isPending}
            onClick={() => { end.mutate(null); }}
          >
            Log out everywhere else
          </button>
        </p>
      )}
    </>
  );
}

function DeviceText({ session }: { session: Session }) {
  return (
    <div className="row-text">
      <p className="row-title">
        {deviceOf(session)}{" "}
        {session.current && <span className="tag">This device</span>}
      </p>
      <p className="meta">
        <span>{session.ip ?? "Unknown address"}</span>
        <span>
          Last used <TimeAgo time={session.last_seen_at} />
        </span>
        <span>
          Logged in <TimeAgo time={session.created_at} />
        </span>
        {session.device_bound && (
          <span>Bound to {session.current ? "this" : "that"} device</span>
        )}
      </p>
    </div>
  );
}
