;; Has 4,000 functions, each of which calls the next through a table of all of them.
;;
;; request: read harm
;; status: 500
;; error: its call stack is exhausted

(type $link (func (result i32)))
(table 4000 funcref)
(elem (i32.const 0) @{4000 $f@ })
@{3999 (func $f@ (type $link) (i32.add (i32.const 1) (call $next (i32.const @))))}
(func $f3999 (type $link) (call $f0))
(func $next (param $number i32) (result i32)
  (call_indirect (type $link) (i32.add (local.get $number) (i32.const 1))))
(func $hostile (result i32)
  (call $f0))
