#!/bin/sh
# Generate a client of the gateway's description, and compile it with the example.
# Needs: openapi-generator's jar (pip install openapi-generator-cli brings it; it holds Jackson too), Apache's httpmime
# (apt-get install libhttpmime-java), a JDK 17.
# Usage: GENERATOR=openapi-generator.jar HTTPMIME=/usr/share/java/httpmime.jar ./build.sh openapi.json
set -eu
java -jar "$GENERATOR" generate -i "$1" -g java --library native -o generated \
  --additional-properties=openApiNullable=false,hideGenerationTimestamp=true,useJakartaEe=false \
  --additional-properties=invokerPackage=vn.edoc,apiPackage=vn.edoc.api,modelPackage=vn.edoc.model >generate.log
mkdir -p classes
find generated/src/main -name '*.java' >sources
javac -proc:none -nowarn -encoding UTF-8 -cp "$GENERATOR:$HTTPMIME" -d classes @sources Generated.java Round.java
