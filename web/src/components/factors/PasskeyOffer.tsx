import type { User } from "@handstamp/client";
import { keepsPasskeys } from "@handstamp/client/factors";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Navigate } from "react-router";
import { factors } from "../../lib/factors";
import { Entrance } from "../entrance/Entrance";
import { PASSKEY } from "../entrance/asides";
import { Failure } from "./Failure";

interface Props {
  user: User;
  /** Where to go where there is nothing to offer, or once it is accepted or declined. */
  next: string;
}

/** Offers a passkey to somebody who has just typed a password, on a device that can keep one. */
export function PasskeyOffer({ user, next }: Props) {
  const declined = `passkey declined by ${user.id}`;
  const isOffered = useQuery({
    queryKey: ["passkey-offer", user.id],
    queryFn: async () => {
      const isWanted = localStorage.getItem(declined) === null && (await keepsPasskeys());
      return isWanted && (await factors.passkeys()).length === 0;
    },
    retry: false,
  });
  const [isDeclined, setIsDeclined] = useState(false);
  const add = useMutation({ mutationFn: () => factors.addPasskey() });
  const isNotOffered = isOffered.data === false || isOffered.isError;
  if (isNotOffered || isDeclined || add.isSuccess) return <Navigate to={next} replace />;
  if (isOffered.isPending) return <div aria-busy="true" className="loading" />;
  return (
    <Entrance
      isOutcome
      title="No password next time?"
      lead="Make a passkey: then your fingerprint, your face or the PIN of this device logs you in."
      aside={PASSKEY}
    >
      <div className="buttons">
        <button type="button" className="button" disabled={add.isPending} onClick={() => { add.mutate(); }}>
          {add.isPending ? "Waiting for your device…" : "Add a passkey"}
        </button>
        <button
          type="button"
          className="button button-second"
          onClick={() => {
            setIsDeclined(true);
            localStorage.setItem(declined, "yes");
          }}
        >
          Not now
        </button>
      </div>
      <Failure error={add.error} />
    </Entrance>
  );
}
