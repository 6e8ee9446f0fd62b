import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { RecoveryCodes } from "./RecoveryCodes";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const show = () => render(<RecoveryCodes username="Ann" codes={["3h7k", "9x2m"]} onKept={() => undefined} />);

test("where pages cannot copy, the page says so", async () => {
  vi.stubGlobal("navigator", {});
  show();
  screen.getByRole("button", { name: "Copy" }).click();
  expect((await screen.findByText(/did not copy them/)).textContent).toContain("Download them");
});

test("the codes are copied, one a line", async () => {
  const writeText = vi.fn(() => Promise.resolve());
  vi.stubGlobal("navigator", { clipboard: { writeText } });
  show();
  screen.getByRole("button", { name: "Copy" }).click();
  await screen.findByText("Copied.");
  expect(writeText).toHaveBeenCalledExactlyOnceWith("3h7k\n9x2m");
});
