import createClient from "openapi-fetch";
import { Problem } from "./problem";
import type { components, paths } from "./schema";

export type User = components["schemas"]["User"];
export type Post = components["schemas"]["Post"];
export type Comment = components["schemas"]["Comment"];
export type Preview = components["schemas"]["Preview"];
export type FreeReadsUsed = components["schemas"]["FreeReadsUsed"];
export type Session = components["schemas"]["OwnSession"];

/** The path that the API lives under: `API_PREFIX`, which the server writes into the page. */
const prefix = document.querySelector<HTMLMetaElement>('meta[name="api-prefix"]')?.content ?? "";

/** The API of the page's own origin, typed from its OpenAPI description. */
export const api = createClient<paths>({ baseUrl: globalThis.location.origin + prefix });

/** The body of a successful response; any other is thrown as a {@link Problem}. */
export async function unwrap<T>(
  result: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  const { data, error, response } = await result;
  if (!response.ok) throw Problem.from(response, error);
  return data as T;
}
