import { Problem } from "@handstamp/client";
import type { LoginProgress } from "@handstamp/client/react/login";
import { cleanup, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { afterEach, expect, test, vi } from "vitest";
import { LoginPage } from "./LoginPage";

const nothing = () => Promise.resolve();
const first: LoginProgress = {
  step: "password",
  methods: [],
  pending: null,
  error: null,
  failed: null,
  canUsePasskey: true,
  login: nothing,
  loginWithPasskey: nothing,
  loginWithCode: nothing,
  loginWithRecoveryCode: nothing,
  restart: () => undefined,
};
let progress = first;

vi.mock("@handstamp/client/factors", async (original) => ({
  ...(await original<object>()),
  hasPasskeys: () => true,
}));
vi.mock("@handstamp/client/react", () => ({ useSession: () => ({ user: null }) }));
vi.mock("@handstamp/client/react/login", () => ({ useLogin: () => progress }));

afterEach(cleanup);

const page = () => (
  <MemoryRouter>
    <LoginPage />
  </MemoryRouter>
);

test("the way back from the second step leads to the first field, and is closed while a code is checked", () => {
  progress = { ...first, step: "second_factor", methods: ["totp"], pending: "code" };
  const { rerender } = render(page());
  expect(screen.getByRole<HTMLButtonElement>("button", { name: "Back to the password" }).disabled).toBe(true);
  progress = first;
  rerender(page());
  expect(document.activeElement).toBe(screen.getByLabelText("Username"));
});

test("a site without passkeys says so after the button was pressed", () => {
  const error = new Problem(404, { code: "passkeys_off", detail: "This site has no passkeys." });
  progress = { ...first, canUsePasskey: false, error, failed: "passkey" };
  render(page());
  screen.getByText(/turned off/);
  expect(screen.getByRole("button", { name: "Log in with a passkey" }).className).toContain("button-gone");
});
