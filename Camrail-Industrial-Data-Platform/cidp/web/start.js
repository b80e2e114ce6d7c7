// Starts Swagger UI on the contract, and puts its words into French: it has no other language.
"use strict";

const FRENCH = {
  "Add item": "Ajouter",
  "and": "et",
  "Apply credentials": "Retenir la clé",
  "Close modal": "Fermer",
  "Authorize": "S'authentifier",
  "Authorized": "Authentifié",
  "Available authorizations": "Authentification",
  "Available values": "Valeurs admises",
  "Callbacks": "Rappels",
  "Cancel": "Annuler",
  "Clear": "Effacer",
  "Close": "Fermer",
  "Code": "Code",
  "Collapse all": "Tout replier",
  "Collapse operation": "Replier l'opération",
  "Controls": "Donne l'en-tête",
  "Copied": "Copié",
  "Copy code to clipboard": "Copier le code",
  "Copy cURL command to clipboard": "Copier la commande cURL",
  "Copy path to clipboard": "Copier l'adresse",
  "Copy to clipboard": "Copier",
  "Curl": "Commande curl",
  "Default value": "Valeur par défaut",
  "Description": "Description",
  "Details": "Détail",
  "Download": "Télécharger",
  "Edit Value": "Valeur à envoyer",
  "Errors": "Erreurs",
  "Example": "Exemple",
  "Example Value": "Exemple",
  "Examples": "Exemples",
  "Execute": "Envoyer",
  "Expand all": "Tout déplier",
  "Expand operation": "Déplier l'opération",
  "Failed to fetch.": "Pas de réponse.",
  "Failed to load API definition.": "Le contrat n'a pas pu être lu.",
  "header.": "",
  "Headers": "En-têtes",
  "Hide": "Masquer",
  "In": "Place",
  "Jump to definition": "Aller à la définition",
  "Links": "Liens",
  "Loading...": "Lecture…",
  "Logout": "Oublier la clé",
  "Media type": "Type de contenu",
  "Name": "Nom",
  "No links": "Aucun lien",
  "No parameters": "Aucun paramètre",
  "Parameters": "Paramètres",
  "Possible Reasons": "Causes possibles",
  "Remove authorization": "Oublier la clé",
  "Request body": "Corps de la requête",
  "Request content type": "Type du contenu envoyé",
  "Request duration": "Durée",
  "Request URL": "Adresse demandée",
  "Required field is not provided": "Champ obligatoire absent",
  "Reset": "Rétablir",
  "Response body": "Corps de la réponse",
  "Response headers": "En-têtes de la réponse",
  "Responses": "Réponses",
  "Schema": "Schéma",
  "Schemas": "Schémas",
  "Send empty value": "Envoyer une valeur vide",
  "Server response": "Réponse du serveur",
  "Servers": "Serveurs",
  "Show": "Montrer",
  "Try it out": "Essayer",
  "Type": "Type",
  "Undocumented": "Hors contrat",
  "Value": "Valeur",
  "authorization button locked": "clé donnée",
  "authorization button unlocked": "donner la clé",
  "required": "obligatoire"
};
const ATTRIBUTES = ["title", "aria-label", "placeholder"];

function inFrench(text) {
  const [, before, word, after] = text.match(/^(\s*)([^]*?)(\s*:?\s*)$/);
  const error = word.match(/^Error: (.*)$/);
  const found = error ? `Erreur : ${error[1]}` : FRENCH[word];
  return found === undefined ? text : before + found + after.replace(/^:/, " :");
}

function translate(node) {
  if (node.nodeType === Node.TEXT_NODE) {
    const french = inFrench(node.nodeValue);
    if (french !== node.nodeValue && !node.parentElement?.closest("pre, textarea, option")) {
      node.nodeValue = french;
    }
    return;
  }
  for (const name of ATTRIBUTES) {
    const french = inFrench(node.getAttribute?.(name) ?? "");
    if (french && french !== node.getAttribute(name)) node.setAttribute(name, french);
  }
  node.childNodes.forEach(translate);
}

const page = document.getElementById("contract");
new MutationObserver((changes) => {
  for (const { type, target, addedNodes } of changes) {
    if (type === "childList") addedNodes.forEach(translate);
    else translate(target);
  }
}).observe(page, {
  attributeFilter: ATTRIBUTES,
  characterData: true,
  childList: true,
  subtree: true
});

SwaggerUIBundle({
  url: "openapi.json",
  domNode: page,
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0
});
