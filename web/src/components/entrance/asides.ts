/** What stands beside a form. */
export interface Aside {
  title: string;
  points: { what: string; text: string }[];
}

export const ACCOUNT: Aside = {
  title: "With an account",
  points: [
    {
      what: "Read everything",
      text: "Articles are not counted for those who are logged in.",
    },
    {
      what: "Have a say",
      text: "Vote, comment, and publish posts of your own.",
    },
    {
      what: "Know where you are logged in",
      text: "Every device is listed, and you can log any of them out.",
    },
  ],
};

const LOGGED_OUT = {
  what: "Logged out everywhere",
  text: "Everybody who was logged in to your account has to log in again, with the new password.",
};

export const FORGOTTEN: Aside = {
  title: "What happens then",
  points: [
    {
      what: "A link by mail",
      text: "It goes to the address of your account, and counts once.",
    },
    {
      what: "A password of your choice",
      text: "You choose it on the page that the link opens.",
    },
    LOGGED_OUT,
  ],
};

export const NEW_PASSWORD: Aside = {
  title: "What happens then",
  points: [
    LOGGED_OUT,
    {
      what: "Other links end",
      text: "Those that were sent to you before do not count any more.",
    },
    {
      what: "A mail tells you",
      text: "We write to your address that the password was changed.",
    },
  ],
};

export const PASSKEY: Aside = {
  title: "What a passkey is",
  points: [
    {
      what: "Nothing to remember",
      text: "You confirm that it is you as you unlock this device.",
    },
    {
      what: "Nothing to steal",
      text: "It works at this site alone: a false page gets nothing out of you.",
    },
    {
      what: "Yours to take back",
      text: "Your dashboard lists your passkeys. Your password goes on working.",
    },
  ],
};

export const NO_MAIL: Aside = {
  title: "Nothing there?",
  points: [
    {
      what: "Give it a minute",
      text: "A mail can take a while, and is tried again when it does not get through.",
    },
    {
      what: "Look among the spam",
      text: "Mails with a link sometimes end up there.",
    },
    {
      what: "Check the address",
      text: "One with a typing mistake looks the same to us.",
    },
  ],
};
