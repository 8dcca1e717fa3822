// The built-in digits as pictures whose names tell their class: `digits.mjs FOLDER [FIRST [LAST]]`.
// NNNN_C.png is row NNNN of digits.csv.gz, of class C.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { crc32, deflateSync, gunzipSync } from 'node:zlib'

const SIDE = 8

function chunk(name, body) {
    const named = Buffer.concat([Buffer.from(name), body])
    const length = Buffer.alloc(4)
    const sum = Buffer.alloc(4)
    length.writeUInt32BE(body.length)
    sum.writeUInt32BE(crc32(named))
    return Buffer.concat([length, named, sum])
}

function png(grey) {
    const head = Buffer.from([0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 0, 0, 0, 0])
    const rows = Array.from({ length: SIDE }, (_, y) => [0, ...grey.slice(y * SIDE, (y + 1) * SIDE)]).flat()
    return Buffer.concat([
        Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
        chunk('IHDR', head),
        chunk('IDAT', deflateSync(Buffer.from(rows))),
        chunk('IEND', Buffer.alloc(0)),
    ])
}

const [folder, first = '0', last = '1797'] = process.argv.slice(2)
const table = gunzipSync(readFileSync(new URL('../../../halfmoon-pool/data/digits.csv.gz', import.meta.url)))
mkdirSync(folder, { recursive: true })
table.toString().trim().split('\n').slice(Number(first), Number(last)).forEach((line, at) => {
    const numbers = line.split(',').map(Number)
    const name = `${String(Number(first) + at).padStart(4, '0')}_${numbers[64]}.png`
    writeFileSync(`${folder}/${name}`, png(numbers.slice(0, 64).map((value) => Math.round(value * 255 / 16))))
})
