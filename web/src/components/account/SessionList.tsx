import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap, type Session } from "../../api/client";
import { messageOf } from "../../api/problem";
import { sessionsQuery } from "../../lib/queries";
import { deviceOf } from "./deviceOf";
import { ErrorNotice } from "../shared/ErrorNotice";
import { TimeAgo } from "../shared/TimeAgo";

/** The user's sessions, with buttons to end one or all others. */
export function SessionList() {
  const client = useQueryClient();
  const sessions = useQuery(sessionsQuery);
  const end = useMutation({
    mutationFn: (id: string | null) =>
      unwrap(
        id === null
          ? api.DELETE("/sessions")
          : api.DELETE("/sessions/{id}", { params: { path: { id } } }),
      ),
    onSettled: () => client.invalidateQueries(sessionsQuery),
  });
  if (sessions.isPending) return <div aria-busy="true" className="min-h-24" />;
  if (!sessions.data) {
    return <ErrorNotice error={sessions.error} retry={() => void sessions.refetch()} />;
  }
  const others = sessions.data.filter((session) => !session.current).length;
  return (
    <>
      <ul className="divide-y divide-line">
        {sessions.data.map((session) => (
          <li key={session.id} className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2 py-3">
            <SessionText session={session} />
            {!session.current && (
              <button
                type="button"
                className="button-quiet"
                disabled={end.isPending}
                onClick={() => { end.mutate(session.id); }}
              >
                Log out<span className="sr-only"> {deviceOf(session)}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {end.isError && (
        <p role="alert" className="mt-2 font-sans text-sm text-stamp">
          {messageOf(end.error)}
        </p>
      )}
      {others > 0 && (
        <button
          type="button"
          className="button mt-4"
          disabled={end.isPending}
          onClick={() => { end.mutate(null); }}
        >
          Log out everywhere else
        </button>
      )}
    </>
  );
}

function SessionText({ session }: { session: Session }) {
  return (
    <div className="min-w-0 flex-1 basis-56">
      <p className="wrap-anywhere">
        {deviceOf(session)}
        {session.current && <strong className="ml-2 font-sans text-sm text-stamp">this one</strong>}
      </p>
      <p className="small">
        {session.ip ?? "unknown address"}, last seen <TimeAgo time={session.last_seen_at} />
      </p>
    </div>
  );
}
