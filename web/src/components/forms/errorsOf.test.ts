import { Problem } from "@handstamp/client";
import { expect, test } from "vitest";
import { errorsOf } from "./errorsOf";

const fields = ["username", "email"] as const;

test.each([
  ["at its field", { code: "invalid", errors: { email: ["must have an @"] } }, { email: "Must have an @." }],
  ["at two fields", { code: "invalid", errors: { email: ["Is bad."], username: ["is bad"] } }, { username: "Is bad.", email: "Is bad." }],
  ["at the field that is taken", { code: "username_taken", detail: "Taken." }, { username: "Taken." }],
  ["at no field", { code: "invalid", detail: "No.", errors: { other: ["is bad"] } }, { form: "No." }],
  ["for the form", { code: "bad_credentials", detail: "Wrong." }, { form: "Wrong." }],
])("%s", (_, body, expected) => {
  expect(errorsOf(fields, new Problem(400, body))).toEqual(expected);
});

test("a lost network is the form's", () => {
  expect(errorsOf(fields, new TypeError("Failed to fetch"))).toEqual({
    form: "The server cannot be reached. Try again.",
  });
});
