import { ClientProvider } from "@handstamp/client/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider } from "react-router";
import { session } from "./api/client";
import { isWorthRetrying } from "./api/problem";
import { watchLinks } from "./lib/linkToken";
import { routes } from "./routes";
import "./styles/index.css";

watchLinks();

const queries = new QueryClient({
  defaultOptions: { queries: { retry: isWorthRetrying, staleTime: 10_000 } },
});

const router = createBrowserRouter(routes);

// What was loaded for somebody else is dropped.
let userId: string | undefined;
session.subscribe(() => {
  const next = session.getState().user?.id;
  if (next === userId) return;
  userId = next;
  // Passwords and secrets among them.
  queries.getMutationCache().clear();
  void queries.resetQueries();
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <ClientProvider client={session}>
        <QueryClientProvider client={queries}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </ClientProvider>
    </StrictMode>,
  );
}
