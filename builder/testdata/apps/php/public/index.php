<?php

require 'Twig/autoload.php';

const VERSION = 'v1';

$twig = new Twig\Environment(new Twig\Loader\ArrayLoader([
    'index' => "hello from {{ name }}\n",
    'version' => "{{ version }}\n",
]));

$page = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/version' ? 'version' : 'index';
header('Content-Type: text/plain');
echo $twig->render($page, ['name' => 'twig', 'version' => VERSION]);
