import type { OwnPasskey } from "@handstamp/client/factors";
import { hasPasskeys } from "@handstamp/client/factors";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { isProblem } from "../../api/problem";
import { factors, passkeysQuery } from "../../lib/factors";
import { ConfirmButton } from "../forms/ConfirmButton";
import { ErrorNotice } from "../shared/ErrorNotice";
import { TimeAgo } from "../shared/TimeAgo";
import { Failure } from "./Failure";
import { PasskeyName } from "./PasskeyName";

/** The user's passkeys: add, name, remove. */
export function PasskeyList() {
  const passkeys = useQuery(passkeysQuery);
  const queries = useQueryClient();
  const addButton = useRef<HTMLButtonElement>(null);
  const add = useMutation({
    mutationFn: () => factors.addPasskey(),
    onSuccess: () => queries.invalidateQueries(passkeysQuery),
  });
  if (passkeys.isPending) return <div aria-busy="true" className="loading-part" />;
  if (!passkeys.data) {
    return <ErrorNotice error={passkeys.error} retry={() => void passkeys.refetch()} />;
  }
  return (
    <>
      <p className="part-text">
        Your fingerprint, your face or the PIN of a device logs you in, with nothing that a false page could
        ask you for.
      </p>
      {passkeys.data.length > 0 && (
        <ul role="list" className="rows">
          {passkeys.data.map((passkey) => (
            <Passkey
              key={passkey.id}
              passkey={passkey}
              // What had the focus is gone with the row.
              onRemoved={() => addButton.current?.focus()}
            />
          ))}
        </ul>
      )}
      {hasPasskeys() ? (
        <p className={passkeys.data.length > 0 ? "panel-end" : ""}>
          <button
            ref={addButton}
            type="button"
            className="button button-second"
            disabled={add.isPending}
            onClick={() => { add.mutate(); }}
          >
            {add.isPending ? "Waiting for your device…" : "Add a passkey"}
          </button>
        </p>
      ) : (
        <p className="soft">This browser does not know passkeys, or is too old for them.</p>
      )}
      <p role="status" className="sr-only">
        {add.isSuccess && `Added: ${add.data.name}`}
      </p>
      <Failure error={add.error} />
    </>
  );
}

function Passkey({ passkey, onRemoved }: { passkey: OwnPasskey; onRemoved: () => void }) {
  const [isNaming, setIsNaming] = useState(false);
  /** Counts the forms that were closed, saved or not: the focus then goes back to the button. */
  const [returns, setReturns] = useState(0);
  const renameButton = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (returns > 0) renameButton.current?.focus();
  }, [returns]);
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => factors.removePasskey(passkey.id),
    onSuccess: () => {
      onRemoved();
      return queries.invalidateQueries(passkeysQuery);
    },
    onError: (error) => {
      // It was removed elsewhere: the row goes as well.
      if (isProblem(error, "not_found")) return queries.invalidateQueries(passkeysQuery);
    },
  });
  if (isNaming) {
    return (
      <li>
        <PasskeyName
          passkey={passkey}
          onDone={() => {
            setIsNaming(false);
            setReturns(returns + 1);
          }}
        />
      </li>
    );
  }
  return (
    <li className="row row-own">
      <div className="row-text">
        <p className="row-title">{passkey.name}</p>
        <p className="meta">
          <span>
            Added <TimeAgo time={passkey.created_at} />
          </span>
          <span>
            {passkey.last_used_at === null ? (
              "Not used yet"
            ) : (
              <>
                Last used <TimeAgo time={passkey.last_used_at} />
              </>
            )}
          </span>
          <span>{passkey.backed_up ? "Kept by a password manager" : "On one device only"}</span>
        </p>
        <Failure error={remove.error} />
      </div>
      <div className="row-actions">
        <button
          ref={renameButton}
          type="button"
          className="action"
          onClick={() => { setIsNaming(true); }}
        >
          Rename<span className="sr-only"> {passkey.name}</span>
        </button>
        <ConfirmButton
          label={<>Remove<span className="sr-only"> {passkey.name}</span></>}
          title="Remove this passkey?"
          text={`“${passkey.name}” does not log you in any more. Some devices go on showing it until you delete it there, too.`}
          confirm="Remove"
          isPending={remove.isPending}
          onConfirm={() => { remove.mutate(); }}
        />
      </div>
    </li>
  );
}
