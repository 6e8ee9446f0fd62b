import type { TotpSecret } from "@handstamp/client/factors";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { count } from "../../lib/text";
import { isProblem } from "../../api/problem";
import { factors, totpQuery } from "../../lib/factors";
import { ConfirmButton } from "../forms/ConfirmButton";
import { ErrorNotice } from "../shared/ErrorNotice";
import { CodeSetup } from "./CodeSetup";
import { Failure } from "./Failure";
import { RecoveryCodes } from "./RecoveryCodes";

/** The codes of an authenticator app: on, off, and the recovery codes that go with them. */
export function Codes({ username, titleId }: { username: string; titleId: string }) {
  const state = useQuery(totpQuery);
  const queries = useQueryClient();
  const [secret, setSecret] = useState<TotpSecret>();
  const [fresh, setFresh] = useState<string[]>();
  const toTitle = () => document.getElementById(titleId)?.focus();
  const again = () => queries.invalidateQueries(totpQuery);
  const begin = useMutation({ mutationFn: factors.startTotp, onSuccess: setSecret, gcTime: 0 });
  if (state.isPending) return <div aria-busy="true" className="loading-part" />;
  if (!state.data) return <ErrorNotice error={state.error} retry={() => void state.refetch()} />;
  if (fresh) {
    const keep = () => {
      setFresh(undefined);
      toTitle();
    };
    return <RecoveryCodes username={username} codes={fresh} onKept={keep} />;
  }
  if (secret) {
    return (
      <CodeSetup
        secret={secret}
        onCancel={() => {
          setSecret(undefined);
          begin.reset();
          toTitle();
        }}
        onConfirmed={(codes) => {
          setSecret(undefined);
          begin.reset();
          setFresh(codes);
          void again();
        }}
      />
    );
  }
  if (state.data.enabled) {
    return (
      <CodesOn
        left={state.data.recovery_codes_left}
        onFresh={(codes) => {
          setFresh(codes);
          void again();
        }}
        onOff={async () => {
          await again();
          toTitle();
        }}
      />
    );
  }
  return (
    <>
      <p className="part-text">
        With the codes of an app on your phone, your password alone logs nobody in.
      </p>
      <button
        type="button"
        className="button button-second"
        disabled={begin.isPending}
        onClick={() => { begin.mutate(); }}
      >
        Set up an app
      </button>
      <Failure error={begin.error} />
    </>
  );
}

interface OnProps {
  /** Recovery codes. */
  left: number;
  onFresh: (codes: string[]) => void;
  onOff: () => Promise<void>;
}

function CodesOn({ left, onFresh, onOff }: OnProps) {
  const queries = useQueryClient();
  const renew = useMutation({
    mutationFn: factors.newRecoveryCodes,
    onSuccess: onFresh,
    onError: (error) => {
      // Codes were turned off elsewhere.
      if (isProblem(error, "not_found")) return queries.invalidateQueries(totpQuery);
    },
    gcTime: 0,
  });
  const turnOff = useMutation({ mutationFn: factors.removeTotp, onSuccess: onOff });
  return (
    <>
      <p className="part-text part-line">
        After your password, we ask for a code of your app. <span className="tag tag-quiet">On</span>
      </p>
      <p className="part-text">
        {left === 0
          ? "You have no recovery codes left: without your phone you could not log in. Get new ones."
          : `You have ${count(left, "recovery code")} left, for when the app is not at hand.`}
      </p>
      <div className="buttons">
        <ConfirmButton
          className="button button-second"
          label="New recovery codes"
          title="Replace your recovery codes?"
          text="You get ten new ones. Those that you have kept so far do not count any more."
          confirm="Replace them"
          isPending={renew.isPending}
          onConfirm={() => { renew.mutate(); }}
        />
        <ConfirmButton
          className="button button-second"
          label="Turn off"
          title="Turn codes off?"
          text="Your password alone logs in again, and your recovery codes do not count any more."
          confirm="Turn off"
          isPending={turnOff.isPending}
          onConfirm={() => { turnOff.mutate(); }}
        />
      </div>
      <Failure error={renew.error ?? turnOff.error} />
    </>
  );
}
