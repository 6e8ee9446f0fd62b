/** The pages for those who want to get in, which are small and loaded as one. */
export { ForgotPasswordPage } from "./ForgotPasswordPage";
export { LoginPage } from "./LoginPage";
export { ResetPasswordPage } from "./ResetPasswordPage";
export { SignUpPage } from "./SignUpPage";
export { VerifyEmailPage } from "./VerifyEmailPage";
