import { useClient, useReauthentication } from "@handstamp/client/react";
import { hasPasskeys } from "@handstamp/client/factors";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { isProblem } from "../../api/problem";
import { factors } from "../../lib/factors";
import { failureOf } from "../factors/failureOf";
import { Dialog } from "../forms/Dialog";
import { errorsOf } from "../forms/errorsOf";
import { Form } from "../forms/Form";
import { FormEnd } from "../forms/FormEnd";
import { PasswordField } from "../forms/PasswordField";
import { useForm } from "../forms/useForm";

/** Asks for the password, or for a passkey, while a call waits for it. */
export function ReauthenticationDialog({ username }: { username: string }) {
  const request = useReauthentication();
  const { reauthenticate } = useClient();
  const cancel = () => request?.cancel();
  return (
    <Dialog
      isOpen={request !== null}
      onClose={cancel}
      title="Confirm that it is you"
      text="It has been a while since you proved who you are. This needs it again."
    >
      {request?.methods.includes("passkey") && (
        <PasskeyProof isAlone={!request.methods.includes("password")} cancel={cancel} />
      )}
      {request?.methods.includes("password") && (
        <ConfirmForm username={username} confirm={reauthenticate} cancel={cancel} />
      )}
    </Dialog>
  );
}

/** A passkey in the place of the password. */
function PasskeyProof({ isAlone, cancel }: { isAlone: boolean; cancel: () => void }) {
  const ender = useRef<AbortController>(null);
  // The browser's dialog goes with this one.
  useEffect(() => () => ender.current?.abort(), []);
  const prove = useMutation({
    mutationFn: () => {
      ender.current = new AbortController();
      return factors.reauthenticateWithPasskey({ signal: ender.current.signal });
    },
  });
  const isRefused = isProblem(prove.error, "bad_credentials");
  const text = isRefused ? "That passkey is not one of yours, or it took too long." : failureOf(prove.error);
  const failure = hasPasskeys() ? text : "This browser does not know passkeys, or is too old for them.";
  return (
    <div className={isAlone ? "" : "dialog-part"}>
      <div className={isAlone ? "buttons" : ""}>
        {isAlone && (
          <button type="button" className="button button-second" onClick={cancel}>
            Cancel
          </button>
        )}
        <button
          type="button"
          className={isAlone ? "button" : "button button-wide"}
          disabled={prove.isPending || !hasPasskeys()}
          onClick={() => { prove.mutate(); }}
        >
          {prove.isPending ? "Waiting for your passkey…" : "Use a passkey"}
        </button>
      </div>
      <div role="alert">{failure !== null && <p className="field-error">{failure}</p>}</div>
    </div>
  );
}

interface Props {
  username: string;
  confirm: (password: string) => Promise<void>;
  cancel: () => void;
}

function ConfirmForm({ username, confirm, cancel }: Props) {
  const form = useForm<"password">();
  const sent = useMutation({
    mutationFn: confirm,
    gcTime: 0,
    onError: (error) => {
      const isWrong = isProblem(error, "bad_credentials");
      form.fail(isWrong ? { password: "That is not your password." } : errorsOf(["password"], error));
    },
  });
  return (
    <Form
      form={form}
      onSend={({ password }) => { sent.mutate(password); }}
    >
      {/* For password managers, which need the username. */}
      <input type="text" autoComplete="username" value={username} readOnly hidden />
      <PasswordField form={form} name="password" label="Password" />
      <FormEnd
        message={form.errors.form}
        send="Confirm"
        sending="Confirming…"
        isPending={sent.isPending}
        onCancel={cancel}
      />
    </Form>
  );
}
