import type { Problem } from "./problem.js";

/** A call that waits until the user has proved again who they are. */
export interface ReauthenticationRequest {
  /** How they can: `password`, … */
  methods: string[];
  /** Sends the password; the call goes on once it is right, else this rejects with a problem. */
  submit: (password: string) => Promise<void>;
  /** Gives up: the call fails with `reauthentication_required`. */
  cancel: () => void;
}

/** The request for a proof, and the dialogs that show it. */
export interface Prompt {
  get: () => ReauthenticationRequest | null;
  subscribe: (listener: () => void) => () => void;
  /** Resolves with whether to retry: at once with false when there is no dialog to ask. */
  ask: (problem: Problem) => Promise<boolean>;
  settle: (proved: boolean) => void;
}

export function createPrompt(submit: (password: string) => Promise<void>): Prompt {
  const dialogs = new Set<() => void>();
  let request: ReauthenticationRequest | null = null;
  let proof: Promise<boolean>;
  let settle: (proved: boolean) => void = () => undefined;

  const show = (next: ReauthenticationRequest | null) => {
    request = next;
    dialogs.forEach((dialog) => { dialog(); });
  };

  return {
    get: () => request,
    subscribe: (dialog) => {
      dialogs.add(dialog);
      return () => {
        dialogs.delete(dialog);
        // Nobody is left to give a proof.
        if (!dialogs.size) settle(false);
      };
    },
    ask: async ({ methods }) => {
      if (!dialogs.size) return false;
      // Calls that are refused meanwhile wait for the same proof.
      if (!request) {
        proof = new Promise((resolve) => {
          settle = (proved) => {
            if (request) show(null);
            resolve(proved);
          };
        });
        show({ methods, submit, cancel: () => { settle(false); } });
      }
      return proof;
    },
    settle: (proved) => { settle(proved); },
  };
}
