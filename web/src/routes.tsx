import type { RouteObject } from "react-router";
import { Layout } from "./components/shared/Layout";
import { HomePage } from "./pages/HomePage";
import { NotFoundPage } from "./pages/NotFoundPage";

/** The route table. Pages other than the front page are loaded on demand. */
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
        lazy: async () => ({ Component: (await import("./pages/entrance")).LoginPage }),
      },
      {
        path: "/signup",
        lazy: async () => ({ Component: (await import("./pages/entrance")).SignUpPage }),
      },
      {
        path: "/forgot-password",
        lazy: async () => ({ Component: (await import("./pages/entrance")).ForgotPasswordPage }),
      },
      {
        path: "/reset-password",
        lazy: async () => ({ Component: (await import("./pages/entrance")).ResetPasswordPage }),
      },
      {
        path: "/verify-email",
        lazy: async () => ({ Component: (await import("./pages/entrance")).VerifyEmailPage }),
      },
      {
        path: "/dashboard",
        lazy: async () => ({ Component: (await import("./pages/DashboardPage")).DashboardPage }),
      },
      { path: "*", element: <NotFoundPage /> },
    ],
  },
];
