import type { TotpSecret } from "@handstamp/client/factors";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { isProblem, messageOf } from "../../api/problem";
import { count } from "../../lib/text";
import { factors, totpQuery } from "../../lib/factors";
import { ConfirmButton } from "../forms/ConfirmButton";
import { ErrorNotice } from "../shared/ErrorNotice";
import { CodeSetup } from "./CodeSetup";
import { RecoveryCodes } from "./RecoveryCodes";

/** The codes of an authenticator app: on, off, and the recovery codes that go with them. */
export function Codes() {
  const state = useQuery(totpQuery);
  const queries = useQueryClient();
  const [secret, setSecret] = useState<TotpSecret>();
  const [fresh, setFresh] = useState<string[]>();
  const again = () => queries.invalidateQueries(totpQuery);
  const begin = useMutation({ mutationFn: factors.startTotp, onSuccess: setSecret });
  const renew = useMutation({
    mutationFn: factors.newRecoveryCodes,
    onSuccess: (codes) => {
      setFresh(codes);
      return again();
    },
  });
  const turnOff = useMutation({
    mutationFn: factors.removeTotp,
    onSuccess: () => {
      setFresh(undefined);
      return again();
    },
  });
  if (state.isPending) return <div aria-busy="true" className="loading-part" />;
  if (!state.data) return <ErrorNotice error={state.error} retry={() => void state.refetch()} />;
  if (fresh) return <RecoveryCodes codes={fresh} onKept={() => { setFresh(undefined); }} />;
  if (secret) {
    return (
      <CodeSetup
        secret={secret}
        onCancel={() => { setSecret(undefined); }}
        onConfirmed={(codes) => {
          setSecret(undefined);
          setFresh(codes);
          void again();
        }}
      />
    );
  }
  const error = [begin.error, renew.error, turnOff.error].find(
    (error) => error !== null && !isProblem(error, "reauthentication_required"),
  );
  const { enabled, recovery_codes_left: left } = state.data;
  return (
    <>
      {enabled ? (
        <>
          <p className="part-text">
            <span className="tag tag-quiet">On</span> Your password is followed by a code of your
            authenticator app. {count(left, "recovery code")} left.
          </p>
          <div className="buttons">
            <button
              type="button"
              className="button button-second"
              disabled={renew.isPending}
              onClick={() => { renew.mutate(); }}
            >
              New recovery codes
            </button>
            <ConfirmButton
              className="button button-second"
              label="Turn off"
              title="Turn codes off?"
              text="Your password alone logs in again, and your recovery codes count no more."
              confirm="Turn off"
              isPending={turnOff.isPending}
              onConfirm={() => { turnOff.mutate(); }}
            />
          </div>
        </>
      ) : (
        <>
          <p className="part-text">
            With an authenticator app, whoever knows your password needs your phone as well.
          </p>
          <button
            type="button"
            className="button button-second"
            disabled={begin.isPending}
            onClick={() => { begin.mutate(); }}
          >
            Set up an app
          </button>
        </>
      )}
      <div role="alert">{error && <p className="field-error">{messageOf(error)}</p>}</div>
    </>
  );
}
