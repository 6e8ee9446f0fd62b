import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, RouterProvider } from "react-router";
import { routes } from "./routes";
import { onSessionChange } from "./session/channel";
import { isWorthRetrying, noticeLogOut } from "./session/session";
import "./styles/index.css";

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: (error) => { noticeLogOut(client, error); } }),
  mutationCache: new MutationCache({ onError: (error) => { noticeLogOut(client, error); } }),
  defaultOptions: { queries: { retry: isWorthRetrying, staleTime: 10_000 } },
});

const router = createBrowserRouter(routes);

function App() {
  // Another tab has logged in or out: refetch everything.
  useEffect(() => onSessionChange(() => void client.resetQueries()), []);
  return (
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
