// The page against the real program: pictures that nobody has labelled, sixty labels by keys, the program killed and started again on the
// way; and then how often the model is right about all other pictures, beside plain classifiers with sixty labels drawn at random.
//
//   node tests/real.mjs HALFMOON [SHOTS [--model m2 …]]
//
// Ends with 1 where a fact fails. Screenshots go into SHOTS; what follows is for `halfmoon label`.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const [halfmoon, shots] = process.argv.slice(2, 4).map((path) => resolve(path))
const more = process.argv.slice(4)
const LABELS = 60
// Milliseconds that a person looks at a picture before the next key: a fast one.
const PACE = 300
const here = (name) => new URL(name, import.meta.url).pathname
const place = mkdtempSync(join(tmpdir(), 'halfmoon-page-'))
const classes = [...'0123456789']

/** Starts the program on the folder and says where it listens. */
async function start(port) {
    const args = ['label', 'photos', '--classes', classes.join(), '--no-browser', '--port', String(port), ...more]
    const server = spawn(halfmoon, args, { cwd: place, stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    for await (const piece of server.stdout) {
        said += piece
        const url = /http:\S+/.exec(said)
        if (url) return { server, url: url[0] }
    }
    throw new Error(`the program ended before it listened: ${said}`)
}

/** Sixty labels in a browser; the program is killed after half of them. */
async function label(running) {
    const go = join(place, 'go')
    const args = [here('end_to_end.mjs'), running.url, '--labels', String(LABELS), '--pace', String(PACE), '--pause-at', '30', '--until', go]
    const driver = spawn('node', shots ? [...args, '--shots', shots] : args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    driver.stdout.on('data', (piece) => { said += piece })
    const ended = new Promise((resolve) => driver.on('close', resolve))
    const paused = async () => { while (!existsSync(`${go}.paused`)) await sleep(50) }
    if (await Promise.race([paused().then(() => 'paused'), ended]) === 'paused') {
        running.server.kill('SIGKILL')
        // The page keeps three labels by itself meanwhile.
        await sleep(3000)
        Object.assign(running, await start(new URL(running.url).port))
        writeFileSync(go, '')
    }
    const code = await ended
    return { code, ...JSON.parse(said.trim().split('\n').at(-1)) }
}

/** How often the model is right about pictures that nobody labelled, once it has learned from all labels. */
async function accuracy(url) {
    const get = async (path, init) => (await fetch(new URL(path, url), init)).json()
    for (let quiet = 0; quiet < 4; await sleep(500)) {
        const { model } = await get('/api/project')
        quiet = model.state === 'ready' ? quiet + 1 : 0
    }
    const labelled = new Set((await (await fetch(new URL('/api/export?format=csv', url))).text()).split('\n').map((line) => line.split(',')[0]))
    const rest = readdirSync(join(place, 'photos')).filter((name) => !labelled.has(name))
    const tasks = rest.map((name, id) => ({ id, data: { halfmoon_id: name } }))
    const body = JSON.stringify({ tasks, label_config: '' })
    const { results } = await get('/predict', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    // Of what is kept to judge by nobody hears what the model thinks.
    const said = results.map(({ result }, at) => [result[0]?.value.choices[0], /_(\d)/.exec(rest[at])[1]]).filter(([likeliest]) => likeliest)
    return { n: said.length, accuracy: said.filter(([likeliest, truth]) => likeliest === truth).length / said.length }
}

/** Accuracies of plain classifiers, each with as many labels, equally many a class, drawn at random. */
function baselines() {
    return [1, 2, 3].map((seed) => {
        const args = ['train', 'digits', '--labels', String(LABELS), '--model', 'supervised', '--seed', String(seed), '--out', `plain-${seed}`, '--json']
        return JSON.parse(execFileSync(halfmoon, args, { cwd: place, stdio: ['ignore', 'pipe', 'ignore'] })).test.accuracy
    })
}

execFileSync('node', [here('digits.mjs'), join(place, 'photos'), '0', '1437'])
const running = await start(0)
try {
    const driven = await label(running)
    const found = await accuracy(running.url)
    const plain = baselines()
    const mean = plain.reduce((sum, value) => sum + value, 0) / plain.length
    const holds = driven.code === 0 && found.accuracy > mean
    console.log(JSON.stringify({ ...driven, ...found, plain, 'learns more than from labels at random': found.accuracy > mean }))
    process.exitCode = holds ? 0 : 1
} finally {
    running.server.kill()
    rmSync(place, { recursive: true, force: true })
}
