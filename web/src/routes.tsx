import type { RouteObject } from "react-router";
import { Layout } from "./components/Layout";
import { HomePage } from "./pages/HomePage";
import { NotFoundPage } from "./pages/NotFoundPage";

/** Every address of the page. What the front page does not need is loaded when it is opened. */
export const routes: RouteObject[] = [
  {
    element: <Layout />,
    children: [
      { path: "/", element: <HomePage /> },
      {
        path: "/post/:id",
        lazy: async () => ({ Component: (await import("./pages/PostPage")).PostPage }),
      },
      {
        path: "/login",
        lazy: async () => ({ Component: (await import("./pages/LoginPage")).LoginPage }),
      },
      {
        path: "/dashboard",
        lazy: async () => ({ Component: (await import("./pages/DashboardPage")).DashboardPage }),
      },
      { path: "*", element: <NotFoundPage /> },
    ],
  },
];
