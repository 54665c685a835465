from flask import Flask

app = Flask(__name__)
VERSION = "v1"


@app.get("/")
def index():
    return "hello from flask\n"


@app.get("/version")
def version():
    return VERSION + "\n"
