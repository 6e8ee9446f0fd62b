import type { Client } from "@handstamp/client";

declare global {
  interface Window {
    client: Client;
    /** Every state that was shown, in order. */
    shown: string[];
  }
}
