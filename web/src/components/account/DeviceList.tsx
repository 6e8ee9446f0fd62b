import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap, type Session } from "../../api/client";
import { messageOf } from "../../api/problem";
import { sessionsQuery } from "../../lib/queries";
import { NotConfirmed, withReauthentication } from "../../session/reauthentication";
import { ErrorNotice } from "../shared/ErrorNotice";
import { TimeAgo } from "../shared/TimeAgo";
import { DeviceIcon } from "./DeviceIcon";
import { deviceOf } from "./deviceOf";

/** Where the user is logged in, with buttons to end one session or all others. */
export function DeviceList() {
  const client = useQueryClient();
  const sessions = useQuery(sessionsQuery);
  const end = useMutation({
    mutationFn: (id: string | null) =>
      withReauthentication(() =>
        unwrap(
          id === null
            ? api.DELETE("/sessions")
            : api.DELETE("/sessions/{id}", { params: { path: { id } } }),
        ),
      ),
    onSettled: () => client.invalidateQueries(sessionsQuery),
  });
  if (sessions.isPending) return <div aria-busy="true" className="loading-part" />;
  if (!sessions.data) {
    return <ErrorNotice error={sessions.error} retry={() => void sessions.refetch()} />;
  }
  const [current, others] = [
    sessions.data.filter((session) => session.current),
    sessions.data.filter((session) => !session.current),
  ];
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
      {end.isError && !(end.error instanceof NotConfirmed) && (
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
      </p>
    </div>
  );
}
