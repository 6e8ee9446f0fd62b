/** A page that asks for the session fifty times over, and shows every state. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "@handstamp/client";
import {
  ClientProvider,
  Show,
  useReauthentication,
  useSession,
  useSessions,
} from "@handstamp/client/react";

window.client = createClient({ baseUrl: "/api" });
window.shown = [];

function Status() {
  const { status, user, reason, error } = useSession();
  const text = [status, user?.username, reason, error?.code].filter(Boolean).join(" ");
  if (window.shown.at(-1) !== text) window.shown.push(text);
  return <p id="status">{text}</p>;
}

function Name() {
  return <i>{useSession().user?.username}</i>;
}

function Devices() {
  const { sessions, endOthers } = useSessions();
  return (
    <>
      <p id="devices">{sessions?.length}</p>
      <button onClick={() => { endOthers().catch(() => undefined); }}>Log out elsewhere</button>
    </>
  );
}

function Dialog() {
  const request = useReauthentication();
  if (!request) return null;
  const prove = (fields: FormData) => {
    request.submit(fields.get("password") as string).catch((error: unknown) => {
      document.title = String(error);
    });
  };
  return (
    <form role="dialog" action={prove}>
      <p>{request.methods.join()}</p>
      <input name="password" aria-label="Password" />
      <button>Go on</button>
      <button type="button" onClick={request.cancel}>
        Cancel
      </button>
    </form>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <ClientProvider client={window.client}>
        <Status />
        {Array.from({ length: 50 }, (_, index) => (
          <Name key={index} />
        ))}
        <Show when="signed-in">
          <Devices />
        </Show>
        <Dialog />
      </ClientProvider>
    </StrictMode>,
  );
}
