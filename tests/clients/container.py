"""Creates a blob container, waiting for the server to listen: container.py ENDPOINT KEY NAME.

Standard library only: object stores as Paratope sees them cannot create containers.
"""

import base64
import datetime
import hashlib
import hmac
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

endpoint, key, name = sys.argv[1:]
account = urlsplit(endpoint).path.strip("/")


def create():
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = f"x-ms-date:{date}\nx-ms-version:2021-12-02\n"
    resource = f"/{account}/{account}/{name}\nrestype:container"
    to_sign = "PUT" + "\n" * 12 + headers + resource
    signature = hmac.new(base64.b64decode(key), to_sign.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT")
    request.add_header("x-ms-date", date)
    request.add_header("x-ms-version", "2021-12-02")
    request.add_header("Authorization", f"SharedKey {account}:{base64.b64encode(signature).decode()}")
    urllib.request.urlopen(request, timeout=5).close()


for _ in range(150):
    try:
        create()
        break
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code} {error.reason}: {error.read().decode()}")
    except OSError:
        time.sleep(0.2)
else:
    sys.exit(f"{endpoint} does not answer")
