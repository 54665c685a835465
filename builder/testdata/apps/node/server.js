import express from "express";

const app = express();
const version = "v1";

app.get("/", (req, res) => res.send("hello from express\n"));
app.get("/version", (req, res) => res.send(version + "\n"));

const server = app.listen(process.env.PORT, () => console.log("listening on", process.env.PORT));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
