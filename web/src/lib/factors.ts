import { factorsOf } from "@handstamp/client/factors";
import { queryOptions } from "@tanstack/react-query";
import { session } from "../api/client";

/** Passkeys and codes. */
export const factors = factorsOf(session);

export const passkeysQuery = queryOptions({ queryKey: ["passkeys"], queryFn: factors.passkeys });
export const totpQuery = queryOptions({ queryKey: ["totp"], queryFn: factors.totp });
