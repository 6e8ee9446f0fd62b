import { Problem } from "@handstamp/client";
import { expect, test } from "vitest";
import { failureOf } from "./failureOf";

const of = (code: string, status = 0) => failureOf(new Problem(status, { code, detail: "Detail." }));

test("what somebody did on purpose is not said to them", () => {
  expect(failureOf(null)).toBeNull();
  expect(of("passkey_not_used")).toBeNull();
  expect(of("reauthentication_required", 403)).toBeNull();
});

test("a failed passkey, one that is gone and a site without passkeys are told apart", () => {
  expect(of("passkey_failed")).toMatch(/could not use a passkey/);
  expect(of("not_found", 404)).toBe("That is gone already.");
  expect(of("passkeys_off", 404)).toMatch(/turned off/);
});
