import type { Session } from "../../api/client";
import { kindOf } from "./deviceOf";

const PATHS = {
  phone: "M7 2.5h10v19H7zM11 18.5h2",
  computer: "M3.5 4.5h17v11h-17zM2 19.5h20",
  program: "M3 4.5h18v15H3zM7 9.5l3 2.5-3 2.5M12 15h5",
};

/** A drawing of a phone, a computer, or a program's window. */
export function DeviceIcon({ device }: { device: Pick<Session, "user_agent"> }) {
  return (
    <svg viewBox="0 0 24 24" className="device-icon" aria-hidden="true">
      <path d={PATHS[kindOf(device)]} strokeLinejoin="round" strokeLinecap="round" />
    </svg>
  );
}
