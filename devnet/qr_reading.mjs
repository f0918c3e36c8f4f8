// Reads grey pixels from standard input and prints what zbar finds in them, one symbol a line.
// Usage: node devnet/qr_reading.mjs <width> <height>   (width × height bytes, a byte a pixel, 0 black, 255 white)
import { scanGrayBuffer } from "@undecaf/zbar-wasm";

const [width, height] = process.argv.slice(2).map(Number);
const pieces = [];
for await (const piece of process.stdin) pieces.push(piece);
const pixels = Buffer.concat(pieces);
if (pixels.length !== width * height) {
  console.error(`expected ${width * height} pixels, got ${pixels.length}`);
  process.exit(2);
}
const buffer = pixels.buffer.slice(pixels.byteOffset, pixels.byteOffset + pixels.length);
for (const symbol of await scanGrayBuffer(buffer, width, height)) console.log(symbol.decode("utf-8"));
