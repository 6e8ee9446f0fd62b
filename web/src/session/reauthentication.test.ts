import { act, renderHook } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Problem } from "../api/problem";
import { NotConfirmed, useReauthentication, withReauthentication } from "./reauthentication";

// The API client captures fetch when its module is loaded.
const fetchMock = vi.hoisted(() => {
  const fetchMock = vi.fn<(request: Request) => Promise<Response>>();
  vi.stubGlobal("fetch", fetchMock);
  return fetchMock;
});

afterEach(() => {
  fetchMock.mockReset();
});

const required = new Problem(403, { code: "reauthentication_required" });

function respond(body: object, status = 200): void {
  const headers = { "content-type": status < 400 ? "application/json" : "application/problem+json" };
  fetchMock.mockResolvedValueOnce(new Response(JSON.stringify(body), { status, headers }));
}

test("a call that needs nothing is made once, and other errors are its own", async () => {
  const hook = renderHook(useReauthentication);
  const call = vi.fn(() => Promise.resolve("done"));
  await expect(withReauthentication(call)).resolves.toBe("done");
  expect(call).toHaveBeenCalledOnce();
  const failure = new Problem(403, { code: "not_yours" });
  await expect(withReauthentication(() => Promise.reject(failure))).rejects.toBe(failure);
  expect(hook.result.current.isRequired).toBe(false);
});

test("two calls wait for one password, and each is made once more", async () => {
  const hook = renderHook(useReauthentication);
  const call = () => vi.fn<() => Promise<string>>().mockRejectedValueOnce(required).mockResolvedValue("done");
  const calls = [call(), call()];
  const results = calls.map(withReauthentication);
  await vi.waitFor(() => { expect(hook.result.current.isRequired).toBe(true); });

  respond({ code: "bad_credentials" }, 400);
  await expect(hook.result.current.confirm("wrong")).rejects.toMatchObject({ code: "bad_credentials" });
  expect(hook.result.current.isRequired).toBe(true);
  respond({});
  await act(() => hook.result.current.confirm("plain tea at dawn"));
  await expect(Promise.all(results)).resolves.toEqual(["done", "done"]);
  expect(hook.result.current.isRequired).toBe(false);
  expect(calls.map((call) => call.mock.calls.length)).toEqual([2, 2]);
  const sent = fetchMock.mock.calls[1]?.[0];
  expect(new URL(sent?.url ?? "").pathname).toBe("/reauthenticate");
  expect(await sent?.json()).toEqual({ password: "plain tea at dawn" });
});

test("a call without its password fails as such, and is not made again", async () => {
  const hook = renderHook(useReauthentication);
  const call = vi.fn(() => Promise.reject(required));
  const result = withReauthentication(call);
  await vi.waitFor(() => { expect(hook.result.current.isRequired).toBe(true); });
  act(() => { hook.result.current.cancel(); });
  await expect(result).rejects.toBeInstanceOf(NotConfirmed);
  expect(call).toHaveBeenCalledOnce();
  expect(hook.result.current.isRequired).toBe(false);
});

test("a call that is refused again is not asked for twice", async () => {
  const hook = renderHook(useReauthentication);
  const refused = expect(withReauthentication(() => Promise.reject(required))).rejects.toBe(required);
  await vi.waitFor(() => { expect(hook.result.current.isRequired).toBe(true); });
  respond({});
  await act(() => hook.result.current.confirm("plain tea at dawn"));
  await refused;
  expect(hook.result.current.isRequired).toBe(false);
});
