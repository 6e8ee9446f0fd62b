import { expect, test } from "vitest";
import { deviceOf, kindOf } from "./deviceOf";

test.each([
  [null, "An unnamed program", "program"],
  ["curl/8.5.0", "curl", "program"],
  ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux", "computer"],
  ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows", "computer"],
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone", "phone"],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on macOS", "computer"],
])("%s is %s, a %s", (user_agent, device, kind) => {
  expect(deviceOf({ user_agent })).toBe(device);
  expect(kindOf({ user_agent })).toBe(kind);
});
