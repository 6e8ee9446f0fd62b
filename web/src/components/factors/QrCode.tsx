import { useEffect, useState } from "react";

/** A QR code, drawn here: what it says is shown to no other server. What draws it is loaded on demand. */
export function QrCode({ text, label }: { text: string; label: string }) {
  const [drawing, setDrawing] = useState<{ size: number; dark: string }>();
  useEffect(() => {
    let isGone = false;
    const draw = async () => {
      const { encode } = await import("uqr");
      const { data, size } = encode(text, { ecc: "M", border: 4 });
      const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : [])));
      if (!isGone) setDrawing({ size, dark: dark.join("") });
    };
    // Without it the key can be typed.
    draw().catch(() => undefined);
    return () => { isGone = true; };
  }, [text]);
  if (!drawing) return null;
  const { size, dark } = drawing;
  return (
    <svg
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
      className="qr-code"
    >
      <path d={dark} />
    </svg>
  );
}
