"""A Flask route that returns a constant, on granian as such (`app`) and behind our `front`."""

from flask import Flask, Response

app = Flask(__name__)


@app.post("/predict")
def predict() -> Response:
    """Answer what does not depend on the request."""
    return Response(b'{"critical_risk":0,"risk_probability":0.01}', content_type="application/json")


class Quick:
    """The same application, as our front asks for it."""

    def __call__(self, environ, start_response):
        """Answer."""
        return app.wsgi_app(environ, start_response)

    def is_quick(self, environ) -> bool:
        """Say that no thread is needed."""
        return True

    def knows_key(self, environ) -> bool:
        """Know everybody."""
        return True


def front():
    """Build it as the API's own server does."""
    from cidp.front import Front, Limits

    return Front(Quick(), Limits(threads=4, body_timeout_s=10, largest_body=1_048_576))
