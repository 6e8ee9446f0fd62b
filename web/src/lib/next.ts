/** Where to go after logging in: always an address of this site, whatever the link says. */
export function nextPath(search: URLSearchParams): string {
  const next = search.get("next") ?? "";
  const url = new URL(next, "http://page.invalid");
  const isOurs = next.startsWith("/") && url.origin === "http://page.invalid";
  return isOurs ? url.pathname + url.search : "/dashboard";
}

/** The login page, which leads back to `path`; to the dashboard when left out. */
export function loginPath(path?: string): string {
  return leadingTo("/login", path);
}

/** The sign-up page, as {@link loginPath}. */
export function signUpPath(path?: string): string {
  return leadingTo("/signup", path);
}

function leadingTo(page: string, path: string | undefined): string {
  return path === undefined ? page : `${page}?next=${encodeURIComponent(path)}`;
}
