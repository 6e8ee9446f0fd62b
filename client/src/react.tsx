import { createContext, useContext, useSyncExternalStore, type ReactNode } from "react";
import { createClient, type Client } from "./client.js";
import type { ReauthenticationRequest } from "./reauthentication.js";
import { noList, sessionListOf, type SessionList } from "./sessions.js";
import { initial } from "./store.js";
import type { SessionState } from "./types.js";

const Context = createContext<Client | null>(null);
let fallback: Client | undefined;

/** Gives `client` to the hooks below it. */
export function ClientProvider({ client, children }: { client: Client; children: ReactNode }) {
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

/** The provider's client, else one for an API at the root of the page's own origin. */
export function useClient(): Client {
  return useContext(Context) ?? (fallback ??= createClient());
}

/** Who is logged in. However many components ask, the server is asked once. */
export function useSession(): SessionState {
  const { subscribe, getState } = useClient();
  return useSyncExternalStore(subscribe, getState, () => initial);
}

/** Shows its children to users, or to visitors; nothing before that is known. */
export function Show({ when, children }: { when: "signed-in" | "signed-out"; children: ReactNode }) {
  return useSession().status === when ? <>{children}</> : null;
}

/** Where the user is logged in, and how to end it. */
export function useSessions(): SessionList & {
  refresh: () => Promise<void>;
  end: (id: string) => Promise<void>;
  endOthers: () => Promise<void>;
} {
  const { subscribe, get, refresh, end, endOthers } = sessionListOf(useClient());
  const list = useSyncExternalStore(subscribe, get, () => noList);
  return { ...list, refresh, end, endOthers };
}

/** The call that waits until the user has proved who they are, for the dialog that asks for it. */
export function useReauthentication(): ReauthenticationRequest | null {
  const { onReauthentication, getReauthentication } = useClient();
  return useSyncExternalStore(onReauthentication, getReauthentication, () => null);
}
